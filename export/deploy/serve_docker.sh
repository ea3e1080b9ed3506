#!/bin/sh
# Serves a folder of exports in TF Serving's container.
#   export/deploy/serve_docker.sh MODELS [REST_PORT] [GRPC_PORT]      TAG=2.19.1 by default
set -eu
models=$(realpath "${1:?usage: serve_docker.sh MODELS [REST_PORT] [GRPC_PORT]}")
# Exports of older versions have no session.config.
session=/models/session.config
[ -f "$models/session.config" ] || session=
exec docker run --rm --publish "${2:-8501}:8501" --publish "${3:-8500}:8500" \
    --mount "type=bind,source=$models,target=/models,readonly" "tensorflow/serving:${TAG:-2.19.1}" \
    --model_config_file=/models/models.config --tensorflow_session_config_file="$session" \
    --file_system_poll_wait_seconds=5
