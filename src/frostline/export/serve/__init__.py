"""A model behind HTTP: batched, bounded, with a page to drop an image on."""
