"""A trained model as the file that its next user reads: ONNX, TorchScript, safetensors, CLIP-ReID's own checkpoint.

Door: pivl.deployment.exports.export.export_model.
Example: `export_model(Path("results/runs/0123456789abcdef"), Path("model.onnx"), Choices("onnx"), images)`
"""
