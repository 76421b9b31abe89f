// Classifies RGB pixels (side x side x 3 bytes, resized and cropped) from standard input: classify MODEL SIDE < pixels
#include <algorithm>
#include <iostream>
#include <openvino/openvino.hpp>

int main(int, char** argv) {
  const size_t side = std::stoul(argv[2]);
  auto model = ov::Core().compile_model(argv[1], "CPU", ov::hint::inference_precision(ov::element::f32));
  auto request = model.create_infer_request();
  ov::Tensor image(ov::element::u8, {1, side, side, 3});
  std::cin.read(reinterpret_cast<char*>(image.data<uint8_t>()), image.get_byte_size());
  request.set_input_tensor(image);
  request.infer();
  const ov::Tensor logits = request.get_output_tensor();
  const float* first = logits.data<float>();
  std::cout << std::max_element(first, first + logits.get_shape().back()) - first << std::endl;
}
