// The interface of SIFT (Lowe 2004): plain values in, keypoints out one by one.
#pragma once

#include <cstdint>

#include "arena.h"

namespace classicvision {

struct SiftImage {
    const std::uint8_t* gray;  // height x width, row by row
    int width;
    int height;
};

struct SiftSettings {
    int n_layers;       // scales sampled per octave
    double sigma;       // blur of the first layer of an octave, in samples
    double contrast;    // least |DoG| times n_layers, grey in [0, 1]
    double edge_ratio;  // largest ratio of the principal curvatures
    bool upsample;      // start at samples half a pixel apart
};

struct SiftKeypoint {
    float x, y;      // pixels, centres on integers
    float scale;     // sigma of the blob in pixels
    float angle;     // radians in [0, 2 pi), clockwise on the screen
    float response;  // |DoG| at the extremum
    std::uint8_t descriptor[128];
};

// Receives keypoints: `add` returns memory for one more, or throws std::bad_alloc.
struct SiftSink {
    void* list;
    SiftKeypoint* (*add)(void* list);
};

}  // namespace classicvision
