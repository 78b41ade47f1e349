// Which instruction set the kernels use: chosen once, when the module is loaded.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels.h"

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace classicvision {
namespace {

#if defined(CV_HAVE_V3) || defined(CV_HAVE_V4)
#if defined(_MSC_VER) && !defined(__clang__)
// Bit `bit` of register `which` (0 eax, 1 ebx, 2 ecx, 3 edx) of a leaf of the CPUID instruction.
bool cpuid_bit(int leaf, int which, int bit) {
    int registers[4];
    __cpuidex(registers, leaf, 0);
    return (registers[which] >> bit) & 1;
}

// Whether the operating system saves the wide registers (XGETBV).
bool system_saves(unsigned long long mask) { return cpuid_bit(1, 2, 27) && (_xgetbv(0) & mask) == mask; }

bool cpu_has_v3() { return system_saves(0x6) && cpuid_bit(1, 2, 12) && cpuid_bit(7, 1, 5) && cpuid_bit(7, 1, 8); }

bool cpu_has_v4() {
    return cpu_has_v3() && system_saves(0xe6) && cpuid_bit(7, 1, 16) && cpuid_bit(7, 1, 17) && cpuid_bit(7, 1, 28) &&
           cpuid_bit(7, 1, 30) && cpuid_bit(7, 1, 31) && cpuid_bit(7, 2, 11);
}
#else
bool cpu_has_v3() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

// x86-64-v4 and the dot products of bytes (VNNI): Cascade Lake, Ice Lake, Zen 4 and later.
bool cpu_has_v4() {
    return cpu_has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif
#endif

bool always() { return true; }

struct Choice {
    Kernels kernels;
    bool (*cpu_has_it)();
};

#define CV_FROM_PORTABLE(result, name, arguments) portable::name,
#define CV_FROM_V3(result, name, arguments) v3::name,
#define CV_FROM_V4(result, name, arguments) v4::name,

// Best first.
const Choice CHOICES[] = {
#ifdef CV_HAVE_V4
    {{"v4", CV_KERNELS(CV_FROM_V4)}, cpu_has_v4},
#endif
#ifdef CV_HAVE_V3
    {{"v3", CV_KERNELS(CV_FROM_V3)}, cpu_has_v3},
#endif
    {{"portable", CV_KERNELS(CV_FROM_PORTABLE)}, always},
};

const Kernels& choose() {
    const char* wanted = std::getenv("CLASSICVISION_ISA");
    std::string known;
    for (const Choice& choice : CHOICES) {
        const bool is_wanted = !wanted || !*wanted || std::string(wanted) == choice.kernels.instruction_set;
        if (is_wanted && choice.cpu_has_it()) return choice.kernels;
        if (choice.cpu_has_it()) known += (known.empty() ? "" : ", ") + std::string(choice.kernels.instruction_set);
    }
    throw std::invalid_argument("CLASSICVISION_ISA is '" + std::string(wanted) + "'; here it can be one of: " + known);
}

}  // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

}  // namespace classicvision
