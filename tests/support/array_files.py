"""Files of numpy arrays written byte by byte."""


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A .npy file with a header of one's own."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version == b"\1\0" else 4, "little") + text + data


SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"
