#!/bin/sh
# Serves a folder of exports with a tensorflow_model_server that is on PATH.
#   export/deploy/serve.sh MODELS [REST_PORT] [GRPC_PORT]
set -eu
models=$(realpath "${1:?usage: serve.sh MODELS [REST_PORT] [GRPC_PORT]}")
command -v tensorflow_model_server > /dev/null || {
    echo "error: tensorflow_model_server is not on PATH; install it, or use serve_docker.sh." >&2
    exit 2
}
# models.config speaks of /models, where the container has them.
config=$(mktemp)
sed "s|/models/|$models/|" "$models/models.config" > "$config"
# Exports of older versions have no session.config.
session=$models/session.config
[ -f "$session" ] || session=
tensorflow_model_server --rest_api_port="${2:-8501}" --port="${3:-8500}" \
    --model_config_file="$config" --tensorflow_session_config_file="$session" --file_system_poll_wait_seconds=5 &
server=$!
trap 'kill "$server"; rm -f "$config"' INT TERM
trap 'rm -f "$config"' EXIT
wait "$server"
