"""What is known of where a subject comes from: names, times, places."""
