// What differs between compilers.
#pragma once

// Whether vectors are types of the language (GCC, Clang). CV_ARRAY_LANES does without, to test what MSVC compiles.
#if (defined(__GNUC__) || defined(__clang__)) && !defined(CV_ARRAY_LANES)
#define CV_VECTOR_TYPES 1
#else
#define CV_VECTOR_TYPES 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CV_INLINE inline __attribute__((always_inline))
#define CV_RESTRICT __restrict__
#define CV_STEP __attribute__((noinline))  // a step that has its own line in a profile
#define CV_PREFETCH(address) __builtin_prefetch(address)
#else
#define CV_INLINE __forceinline
#define CV_RESTRICT __restrict
#define CV_STEP
#define CV_PREFETCH(address) static_cast<void>(address)
#endif

// Workarounds for the register allocation of GCC 12, which other versions and Clang do not pay for.
#if !defined(__clang__) && defined(__GNUC__) && __GNUC__ == 12
#define CV_GCC_12 1
#else
#define CV_GCC_12 0
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "a pair of shorts has its even place in the low half: a machine that stores the high half first needs a swap"
#endif
