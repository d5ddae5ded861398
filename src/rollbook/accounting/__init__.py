"""What counting costs: consumption of what is included, charges, statements and adjustments.

Owns the arithmetic of allowances and prices, as pure functions of a subscription and of what metering counted. It
does not own who counted (`metering`), proof (`proof`), or how figures look (`reports`, `render`). It asks no clock.
"""
