"""Labeled Faces in the Wild: `builder` prepares and opens it, `files` reads the official files."""
