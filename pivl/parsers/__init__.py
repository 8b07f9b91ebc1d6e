"""Human parsers whose part maps Table 4 compares (Sec. 4.4; method.md 3)."""
