"""The studies that come with the package, a file each: whatever declares a :class:`Study` here is one."""
