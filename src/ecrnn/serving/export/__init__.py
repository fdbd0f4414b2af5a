"""Trained models as files that other programs run: ONNX, and one HTML page; `export` writes them."""
