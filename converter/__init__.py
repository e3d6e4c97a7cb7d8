"""intq.converter: float and quantized networks to the integer graph."""
