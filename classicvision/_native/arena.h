// Working memory that one thread keeps from one call to the next, so that no call has to map new pages.
#pragma once

#include <cstddef>

namespace classicvision {

class Arena {
public:
    Arena() = default;
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // Reserve `n_bytes` and release everything taken before. Throws std::bad_alloc.
    void reserve(std::size_t n_bytes);

    // Take the next `n` items, aligned to 64 bytes. Throws std::bad_alloc beyond what was reserved.
    template <typename T>
    T* take(std::size_t n) {
        return static_cast<T*>(take_bytes(n * sizeof(T)));
    }

    static constexpr std::size_t ALIGNMENT = 64;

private:
    void* take_bytes(std::size_t n_bytes);
    void give_back();

    unsigned char* memory_ = nullptr;
    std::size_t size_ = 0;
    std::size_t taken_ = 0;
    std::size_t n_parts_ = 0;
};

}  // namespace classicvision
