"""Nets and what they see, as pictures."""
