#include "arena.h"

#include <algorithm>
#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define CV_RED_ZONES
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CV_RED_ZONES
#endif
#endif
#if defined(CV_RED_ZONES)
#include <sanitizer/asan_interface.h>
#endif

namespace classicvision {
namespace {

constexpr std::size_t PAGE = std::size_t{2} << 20;  // a huge page: distant rows then need few TLB entries

std::size_t rounded(std::size_t n_bytes, std::size_t unit = Arena::ALIGNMENT) {
    return (n_bytes + unit - 1) / unit * unit;
}

std::align_val_t alignment_for(std::size_t n_bytes) {
    return std::align_val_t(n_bytes >= PAGE ? PAGE : Arena::ALIGNMENT);
}

void release(unsigned char* memory, std::size_t n_bytes) { ::operator delete(memory, alignment_for(n_bytes)); }

void ask_for_huge_pages(void* memory, std::size_t n_bytes) {
#if defined(MADV_HUGEPAGE)
    madvise(memory, n_bytes / PAGE * PAGE, MADV_HUGEPAGE);  // only a hint: it may fail
#else
    static_cast<void>(memory), static_cast<void>(n_bytes);
#endif
}

// AddressSanitizer sees one block where kernels see many parts. In its build a poisoned gap follows each part. Gaps are
// not counted, so a kernel that reserves too little is found as well.
#if defined(CV_RED_ZONES)
constexpr std::size_t GAP = 1024, MOST_GAPS = 1024;
void close(void* memory, std::size_t n_bytes) { ASAN_POISON_MEMORY_REGION(memory, n_bytes); }
void open(void* memory, std::size_t n_bytes) { ASAN_UNPOISON_MEMORY_REGION(memory, n_bytes); }
#else
constexpr std::size_t GAP = 0, MOST_GAPS = 0;
void close(void*, std::size_t) {}
void open(void*, std::size_t) {}
#endif

constexpr std::size_t ROOM = GAP * MOST_GAPS;

}  // namespace

Arena::~Arena() { give_back(); }

void Arena::give_back() {
    if (!memory_) return;
    open(memory_, size_ + ROOM);
    release(memory_, size_ + ROOM);
    memory_ = nullptr;
    size_ = 0;
}

void Arena::reserve(std::size_t n_bytes) {
    if (n_bytes > SIZE_MAX - ROOM - ALIGNMENT) throw std::bad_alloc();
    const std::size_t size = rounded(n_bytes);
    if (size > size_) {
        give_back();
        memory_ = static_cast<unsigned char*>(::operator new(size + ROOM, alignment_for(size + ROOM)));
        size_ = size;
        ask_for_huge_pages(memory_, size_);
    }
    taken_ = n_parts_ = 0;
    if (memory_) close(memory_, size_ + ROOM);
}

void* Arena::take_bytes(std::size_t n_bytes) {
    const std::size_t needed = rounded(n_bytes);
    if (needed < n_bytes || needed > size_ - taken_) throw std::bad_alloc();
    void* taken = memory_ + taken_ + std::min(n_parts_++, MOST_GAPS) * GAP;
    open(taken, n_bytes);
    taken_ += needed;
    return taken;
}

}  // namespace classicvision
