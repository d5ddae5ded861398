"""Rows to what people and programs read: terminal tables, CSV, JSON, and the words of an explanation.

Owns: formats and looks.
Does not own: any figure. What is printed was computed elsewhere.
"""
