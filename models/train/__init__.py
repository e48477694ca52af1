"""Training of what is learned: the corpus, recipes, the loop, curves."""
