"""This code's numbers are compared with those that the original CLIP-ReID and SCHP code computed.

Door: pivl.verification.verify.verify_file.
Example: `verify_file(Path("tests/reference/evaluation.npz"), progress=print)`
"""
