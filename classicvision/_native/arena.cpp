#include "arena.h"

#include <new>

namespace classicvision {
namespace {

std::size_t rounded(std::size_t n_bytes) {
    return (n_bytes + Arena::ALIGNMENT - 1) / Arena::ALIGNMENT * Arena::ALIGNMENT;
}

void release(unsigned char* memory) { ::operator delete(memory, std::align_val_t(Arena::ALIGNMENT)); }

}  // namespace

Arena::~Arena() { release(memory_); }

void Arena::reserve(std::size_t n_bytes) {
    taken_ = 0;
    if (n_bytes <= size_) return;
    release(memory_);
    memory_ = nullptr;
    size_ = 0;
    memory_ = static_cast<unsigned char*>(::operator new(rounded(n_bytes), std::align_val_t(ALIGNMENT)));
    size_ = rounded(n_bytes);
}

void* Arena::take_bytes(std::size_t n_bytes) {
    const std::size_t needed = rounded(n_bytes);
    if (needed < n_bytes || needed > size_ - taken_) throw std::bad_alloc();
    void* taken = memory_ + taken_;
    taken_ += needed;
    return taken;
}

}  // namespace classicvision
