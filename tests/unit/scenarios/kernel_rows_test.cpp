#include "scenarios/published/validate_kernels.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::kernel_rows_test {

namespace {

KernelRows published(const std::string& text) {
  Diagnostics diagnostics;
  KernelRows rows;
  REQUIRE(add_published(parse_csv(text, "t.csv", {}, diagnostics), "t.csv", rows, diagnostics));
  diagnostics.throw_if_any();
  return rows;
}

} // namespace

TEST_CASE("a published product is a product, with the quantisation of its input where it is narrow", "[unit][kernels]") {
  const KernelRows rows = published("gpu,dtype,m,n,k,latency_us\nh100_sxm,bfloat16,16,4096,8192,20\nh100_sxm,nvfp4,16,4096,8192,9\n"
                                    "h100_sxm,int3,16,4096,8192,9\n");
  REQUIRE(rows.rows.size() == 3);
  CHECK(rows.rows[0].device == "h100-sxm-80gb");
  CHECK(rows.rows[0].measured == Approx(20e-6));
  REQUIRE(rows.rows[0].operators.size() == 1);
  CHECK(std::get<Matmul>(rows.rows[0].operators[0].shape).k == 8192);
  REQUIRE(rows.rows[1].operators.size() == 2);
  CHECK(std::get<Matmul>(rows.rows[1].operators[1].shape).weight_bytes == 0.5625);
  CHECK(rows.rows[2].refusal == "precision int3");
}

TEST_CASE("message sizes of collectives are elements", "[unit][kernels]") {
  const KernelRows rows = published("gpu,impl,op_name,dtype,num_gpus,message_size,latency_us\n"
                                    "a100_sxm,vllm_graph,all_reduce,bfloat16,4,1024,5.3\na100_sxm,nccl,alltoall,int8,8,1024,20\n"
                                    "a100_sxm,vllm_eager,all_reduce,bfloat16,4,1024,45\n");
  CHECK(std::get<Collective>(rows.rows[0].operators[0].shape).bytes.si() == 2048);
  CHECK(rows.rows[0].custom);
  CHECK(std::get<Collective>(rows.rows[1].operators[0].shape).bytes.si() == 1024);
  CHECK(rows.rows[1].ranks == 8);
  CHECK_FALSE(rows.rows[2].refusal.empty());
}

TEST_CASE("a module of latent attention has its projections, a kernel has not", "[unit][kernels]") {
  const std::string header = "gpu,framework,scope,phase,kernel,attn_dtype,kv_cache_dtype,gemm_dtype,batch_size,new_tokens,past_tokens,"
                             "n_heads,latency_us\n";
  const auto flops = [&](const char* scope, const char* phase, const char* sizes) {
    const KernelRows rows =
        published(header + "h100_sxm,x," + scope + "," + phase + ",default,bfloat16,bfloat16,bfloat16," + sizes + ",128,1\n");
    double sum = 0;
    for (const Operator& op : rows.rows.at(0).operators)
      if (const auto* product = std::get_if<Matmul>(&op.shape))
        sum += 2 * product->batch * product->m * product->n * product->k;
    return sum;
  };
  CHECK(flops("kernel", "decode", "4,1,1000") == 0);
  // DeepSeek-V3 (arXiv 2412.19437): down 7168 x 2112, queries 1536 x 24576, absorbed 128 x 512 x (128 + 128), out 16384 x 7168.
  const double weights = 7168.0 * 2112 + 1536.0 * 24576 + 128.0 * 512 * 256 + 16384.0 * 7168;
  CHECK(flops("module", "decode", "4,1,1000") == 2 * 4 * weights);
  CHECK(flops("module", "prefill", "2,100,0") == 2 * 200 * weights); // keys and values: 512 x 128 x 256, the same size
}

TEST_CASE("tokens go once to each rank that holds one of their experts, in eight bits, and come back in sixteen", "[unit][kernels]") {
  const KernelRows rows = published("gpu,framework,mode,nodes,hidden,topk,experts,tokens,sms,dispatch_us,combine_us\n"
                                    "h100_sxm,x,normal,1,5120,1,128,1024,20,30,45\nh100_sxm,x,normal,2,5120,1,128,1024,20,30,45\n");
  REQUIRE(rows.rows.size() == 3);
  CHECK(std::get<Collective>(rows.rows[0].operators[0].shape).bytes.si() == Approx(1024 * 5120.0 * (1 + 4.0 / 128)));
  CHECK(std::get<Collective>(rows.rows[1].operators[0].shape).bytes.si() == Approx(1024 * 5120.0 * 2));
  CHECK(rows.rows[1].measured == Approx(45e-6));
  CHECK_FALSE(rows.rows[2].refusal.empty());
}

TEST_CASE("kernels of the experts of one rank go over the rows of all ranks", "[unit][kernels]") {
  const auto operators = [](const char* ep) {
    return published(std::string("gpu,framework,dtype,tokens,hidden,intermediate,experts,topk,tp,ep,routing,latency_us\n") +
                     "h100_sxm,vllm-0.19.0,fp8_block,1024,4096,1536,128,8,1," + ep + ",balanced,90\n")
        .rows.at(0)
        .operators;
  };
  const auto traffic = [&](const char* ep) {
    double bytes = 0;
    for (const Operator& op : operators(ep))
      if (const auto* pass = std::get_if<Streaming>(&op.shape); pass && op.op_class == OpClass::elementwise)
        bytes += (pass->read + pass->written).si();
    return bytes;
  };
  CHECK(traffic("8") == traffic("1"));
  const auto up = [&](const char* ep) {
    const std::vector<Operator> list = operators(ep);
    return std::get<GroupedMatmul>(std::ranges::find(list, "up", &Operator::name)->shape);
  };
  CHECK(up("1").idle.count == 0);
  CHECK(up("8").idle.rows == 1024 * 8 * 7 / 8.0);
  CHECK(up("8").idle.count == 112 * 2 * 1536 / 128); // 64 rows each, one tile down
  CHECK(up("8").tile.rows == 64);
  CHECK(up("1").tile.rows == 0);
}

TEST_CASE("tables of no known format are said, those of the project are all read", "[unit][kernels]") {
  Diagnostics diagnostics;
  KernelRows rows;
  CHECK_FALSE(add_published(parse_csv("a,b\n1,2\n", "t.csv", {}, diagnostics), "t.csv", rows, diagnostics));
  const KernelValidation own = validate_kernels();
  CHECK(own.unread.empty());
  int scored = 0;
  for (const KernelScore& score : own.groups) {
    scored += score.rows;
    CHECK(score.median <= score.p90);
  }
  int excluded = 0;
  for (const ScoredKernel& row : own.rows)
    excluded += row.row.refusal.empty() ? 0 : 1;
  CHECK(scored + excluded == static_cast<int>(own.rows.size()));
  CHECK(excluded < 0.03 * static_cast<double>(own.rows.size()));
}

} // namespace orrery::kernel_rows_test
