"""Operations: the layers that a decision chooses among."""
