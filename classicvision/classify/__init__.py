"""Classification: recipes, training with cross-validation, and the classifier that predicts and is saved."""
