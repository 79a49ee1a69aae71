"""What people marked, by the tasks that they were given."""
