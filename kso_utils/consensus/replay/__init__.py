"""Past votes in their order, and the rules of Zooniverse's Caesar over them."""
