"""Commands about trained models, ours and those of other code: what they make of pictures, and how good that is.

Door: harness.cli.main adds them.
Example: `pivl-bench compare ours=feats.npz theirs=pytorch_result.mat --metric cosine`
"""
