"""How subjects get to Zooniverse: checked, sent, looked up, verified."""
