"""Items liked by the same queries (Sarwar et al., WWW 2001)."""
# Q = queries, I = items

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ItemCosine"]


class ItemCosine:
    """Cosine between items over the queries that liked them; an item scores the sum over what the query liked."""

    def __init__(self, query: NDArray[np.int64], item: NDArray[np.int64], n_items: int) -> None:
        """
        Args:
            query, item: One entry a positive of the training part: numbers of its query and of its item.
        """
        from scipy import sparse

        ones = np.ones(len(query), np.float32)
        likes = sparse.csr_matrix((ones, (query, item)), shape=(int(query.max(initial=-1)) + 1, n_items))
        likes.data[:] = 1.0
        norm = np.sqrt(np.asarray(likes.sum(0)).ravel())
        self._n = n_items
        scaled = likes @ sparse.diags(1.0 / np.maximum(norm, 1.0))
        self._cosine = (scaled.T @ scaled).tocsr()
        self._cosine.setdiag(0.0)

    def scores(self, query: NDArray[np.int64], item: NDArray[np.int64], n_queries: int) -> Any:
        """Scores (Q, I) for queries that liked these items before they were asked."""
        from scipy import sparse

        liked = sparse.csr_matrix((np.ones(len(query), np.float32), (query, item)), shape=(n_queries, self._n))
        liked.data[:] = 1.0
        return np.asarray((liked @ self._cosine).todense(), np.float32)
