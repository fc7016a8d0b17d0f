"""What each part of a method is worth: the method again, without it."""
