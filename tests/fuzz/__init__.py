"""Hostile files of every format through the whole command, held to one rule: see ``rule.py``."""
