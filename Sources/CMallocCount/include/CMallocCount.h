#pragma once

/// How often this process asked for memory (malloc, calloc, realloc, posix_memalign, aligned_alloc) since it began.
long malloc_count_calls(void);

/// The bytes that it has of the heap now, with what the allocator rounded up.
long malloc_count_bytes(void);
