"""How alike two drawn shapes are, and which shape lies in the middle of several."""
