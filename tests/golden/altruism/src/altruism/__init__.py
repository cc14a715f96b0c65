"""The project's own code: four stages, each a module run by DVC, and a predictor."""
