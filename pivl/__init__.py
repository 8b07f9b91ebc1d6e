"""PI-VL: part-informed visual-language learning for person re-identification (arXiv 2308.02738)."""

__version__ = "0.1.0"
