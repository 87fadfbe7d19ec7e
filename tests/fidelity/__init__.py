"""Our code against numbers that the authors' functions gave."""
