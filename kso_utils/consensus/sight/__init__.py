"""How well people see, and how likely a label is there given what they said."""
