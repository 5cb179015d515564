"""Training, quantization and export of expressiond's detectors."""
