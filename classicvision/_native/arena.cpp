#include "arena.h"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace classicvision {
namespace {

constexpr std::size_t PAGE = std::size_t{2} << 20;  // a huge one: rows far apart then need few entries of the TLB

std::size_t rounded(std::size_t n_bytes, std::size_t unit = Arena::ALIGNMENT) {
    return (n_bytes + unit - 1) / unit * unit;
}

std::align_val_t alignment_for(std::size_t n_bytes) {
    return std::align_val_t(n_bytes >= PAGE ? PAGE : Arena::ALIGNMENT);
}

void release(unsigned char* memory, std::size_t n_bytes) { ::operator delete(memory, alignment_for(n_bytes)); }

void ask_for_huge_pages(void* memory, std::size_t n_bytes) {
#if defined(MADV_HUGEPAGE)
    madvise(memory, n_bytes / PAGE * PAGE, MADV_HUGEPAGE);  // a wish: nothing is lost if it is not granted
#else
    static_cast<void>(memory), static_cast<void>(n_bytes);
#endif
}

}  // namespace

Arena::~Arena() { release(memory_, size_); }

void Arena::reserve(std::size_t n_bytes) {
    taken_ = 0;
    if (n_bytes <= size_) return;
    release(memory_, size_);
    memory_ = nullptr;
    size_ = 0;
    const std::size_t size = rounded(n_bytes);
    memory_ = static_cast<unsigned char*>(::operator new(size, alignment_for(size)));
    size_ = size;
    ask_for_huge_pages(memory_, size_);
}

void* Arena::take_bytes(std::size_t n_bytes) {
    const std::size_t needed = rounded(n_bytes);
    if (needed < n_bytes || needed > size_ - taken_) throw std::bad_alloc();
    void* taken = memory_ + taken_;
    taken_ += needed;
    return taken;
}

}  // namespace classicvision
