"""Images, splits and augmentation."""
