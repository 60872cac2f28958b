"""The nouns: frozen values without behaviour that touches files, networks or clocks."""
