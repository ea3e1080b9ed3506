"""Starts the page as `python -m export.studio` does, with two faces in every photo, and watches what Python asks for.

    python watched_page.py [FLAG ...]

A line "OUTSIDE ..." on standard output for every address beyond this machine that it looks up or connects to.
"""

import runpy
import sys
import types

from attr2image_tf.photos import faces
from attr2image_tf.photos.square import Square

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        host = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = host[0] if isinstance(host, tuple) else host
        # Sockets within this machine have paths.
        if host is not None and host not in LOOPBACK and not str(host).startswith(("/", "\0")):
            print("OUTSIDE", event, host, flush=True)


two = [types.SimpleNamespace(box=(left, 5, left + 30, 45), region=Square(left, 5, 40)) for left in (5, 50)]
faces.check_installed, faces.find_faces = lambda: None, lambda picture: two
sys.addaudithook(watch)
runpy.run_module("export.studio", run_name="__main__", alter_sys=True)
