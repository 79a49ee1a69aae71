"""What movie files say of themselves: boxes, elements and packets, read without decoding."""
