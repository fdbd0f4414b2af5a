// Arrays that come from Python: checked, never converted, never copied.
//
// A torch tensor is read through DLPack's table of C functions (`__dlpack_c_exchange_api__`), which takes nanoseconds. A call of
// its `__dlpack__` takes microseconds, and a forward and a backward pass have 35 arrays. Whatever has no such table, NumPy's
// arrays among it, goes through nb::ndarray.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ecrnn {

namespace dlpack {

namespace nb = nanobind;

// As DLPack's header declares it; new members come behind these.
struct ExchangeApi {
    struct Header {
        std::uint32_t major, minor;
        Header* previous;
    } header;
    int (*allocate)(void*, void**, void*, void (*)(void*, const char*, const char*));
    int (*managed_from_object)(void*, void**);
    int (*to_object)(void*, void**);
    int (*from_object)(void* object, nb::dlpack::dltensor* out);
};

// The table of an object's type, or null.
inline const ExchangeApi* exchange_api(PyObject* object) {
    static PyObject* const name = PyUnicode_InternFromString("__dlpack_c_exchange_api__");
    PyObject* capsule = PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(object)), name);
    if (!capsule) {
        PyErr_Clear();
        return nullptr;
    }
    const auto* api = static_cast<const ExchangeApi*>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
    Py_DECREF(capsule);  // the type keeps it
    if (!api) PyErr_Clear();
    return api && api->header.major == 1 && api->from_object ? api : nullptr;
}

}  // namespace dlpack

// An array of `dims` dimensions, any number for 0, at most three; without elements in between where `contiguous`.
template <class T, int dims, bool contiguous>
class Array {
  public:
    static constexpr int MOST = 3;

    T* data() const { return data_; }
    std::size_t ndim() const { return static_cast<std::size_t>(ndim_); }
    std::ptrdiff_t shape(std::size_t i) const { return shape_[i]; }
    std::ptrdiff_t stride(std::size_t i) const { return strides_[i]; }
    std::size_t size() const {
        std::ptrdiff_t n = 1;
        for (int i = 0; i < ndim_; ++i) n *= shape_[i];
        return static_cast<std::size_t>(n);
    }

    // False where the object is no such array.
    bool take(nanobind::handle object) {
        namespace nb = nanobind;
        if (const dlpack::ExchangeApi* api = dlpack::exchange_api(object.ptr())) {
            nb::dlpack::dltensor tensor;
            if (api->from_object(object.ptr(), &tensor) != 0) {
                PyErr_Clear();
                return false;
            }
            const nb::dlpack::dtype wanted = nb::dtype<std::remove_const_t<T>>();
            const bool fits = tensor.device.device_type == nb::device::cpu::value && tensor.dtype.code == wanted.code &&
                              tensor.dtype.bits == wanted.bits && tensor.dtype.lanes == wanted.lanes;
            return fits && look(tensor.ndim, tensor.shape, tensor.strides, static_cast<char*>(tensor.data) + tensor.byte_offset);
        }
        if (!nb::try_cast(object, owner_, false)) return false;
        return look(static_cast<int>(owner_.ndim()), owner_.shape_ptr(), owner_.stride_ptr(), owner_.data());
    }

  private:
    bool look(int ndim, const std::int64_t* shape, const std::int64_t* strides, const void* data) {
        if (ndim > MOST || (dims && ndim != dims)) return false;
        ndim_ = ndim;
        data_ = static_cast<T*>(const_cast<void*>(data));
        std::int64_t dense = 1;
        bool whole = true;
        for (int i = ndim; i-- > 0;) {
            shape_[i] = static_cast<std::ptrdiff_t>(shape[i]);
            strides_[i] = static_cast<std::ptrdiff_t>(strides ? strides[i] : dense);
            whole = whole && (shape[i] <= 1 || strides_[i] == dense);
            dense *= shape[i];
        }
        return whole || dense == 0 || !contiguous;
    }

    T* data_ = nullptr;
    int ndim_ = 0;
    std::ptrdiff_t shape_[MOST] = {}, strides_[MOST] = {};
    nanobind::ndarray<T, nanobind::device::cpu> owner_;  // of memory that came the slow way
};

}  // namespace ecrnn

template <class T, int dims, bool contiguous>
struct nanobind::detail::type_caster<ecrnn::Array<T, dims, contiguous>> {
    using Taken = ecrnn::Array<T, dims, contiguous>;
    NB_TYPE_CASTER(Taken, const_name("Array"))
    bool from_python(handle object, std::uint8_t, cleanup_list*) noexcept { return value.take(object); }
};
