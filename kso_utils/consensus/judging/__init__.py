"""How far answers agree, and how good each person's are."""
