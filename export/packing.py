"""Packs folders of exports as archives: small, and dependent on nothing but their files."""

import lzma
import tarfile

from attr2image_tf.files import as_path, replacing


def pack(folder, archive):
    """Packs a folder, the same one always to the same bytes. Weights that two models share are kept once."""
    def neutral(member):
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    # The dictionary reaches over both models; numbers are of four bytes.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**27, "lc": 2, "lp": 2,
                "pb": 2}]
    with (replacing(archive) as beside, lzma.open(beside, "wb", filters=filters) as stream,
          tarfile.open(fileobj=stream, mode="w") as packed):
        for path in sorted(as_path(folder).rglob("*")):
            packed.add(path, path.relative_to(folder), recursive=False, filter=neutral)
