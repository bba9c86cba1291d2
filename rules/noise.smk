"""Noisy training masks, made from prepared cases before maps and training; no study at hand asks for any yet."""
