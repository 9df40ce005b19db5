"""Short texts in four scripts."""

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "ein schneller brauner Fuchs springt",
    "एक तेज़ लोमड़ी कूदती है",
    "敏捷的狐狸跳过了懒狗",
] * 3
