"""Pure computation: frames and arrays in, frames and arrays out."""
