"""What ships with the product: standards pack, layer catalogue and the sample city recipe."""
