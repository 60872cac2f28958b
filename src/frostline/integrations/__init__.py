"""Thin wrappers for other people's loops: scikit-learn, Lightning, MLflow. Each is imported by its own module alone."""
