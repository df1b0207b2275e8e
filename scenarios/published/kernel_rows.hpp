// Measured kernels as operators that the cost models can price.
//
// What:  two sets of files: the project's own tables (models/calibration/kernels), and extracts of public measurements as published, one
//        format for each source, told apart by their columns.
// Units: seconds.
// Valid: rows that no operator of ours stands for carry the reason instead.
#pragma once

#include "hardware/description.hpp"
#include "models/kernel_tables.hpp"
#include "sim/base/csv.hpp"
#include "workloads/graph.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

struct KernelRow {
  std::string file;
  int line = 0;
  std::string device; ///< of the catalogue, or of the tables' own devices
  std::string kind;   ///< what it is scored under
  std::string precision;
  std::vector<Operator> operators; ///< run one after the other; collectives over `ranks` devices of one node
  int ranks = 1;
  bool custom = false;  ///< the serving engines' own all-reduce or exchange with the ranks of experts
  bool widened = false; ///< integer experts that Triton widens
  bool scalar = false;  ///< a streaming kernel whose threads load one element at a time
  double measured = 0;
  std::string refusal; ///< why nothing is predicted; empty = scored
};

struct KernelRows {
  std::vector<KernelRow> rows;
  std::map<std::string, NodeType> machines; ///< that the tables describe themselves
  std::vector<std::string> unread;          ///< files of no known format
};

/// The rows of every .csv file of a folder. Mistakes go to `diagnostics`.
KernelRows read_kernel_rows(const std::string& folder, Diagnostics& diagnostics);

/// The .csv files of a folder, by name. Throws UserError where it is none.
std::map<std::string, std::string> read_tables(const std::string& folder);

/// The project's own tables.
void add_own_tables(const KernelTables& tables, KernelRows& rows);

/// Adds the rows of a published extract; false where its columns are of no known format.
bool add_published(const CsvTable& table, const std::string& file, KernelRows& rows, Diagnostics& diagnostics);

/// The catalogue's name of a device that a published table names; the same name where there is none.
std::string catalogue_device(std::string_view published);

// Operators that tables share.
Operator kernel_matmul(Precision precision, Matmul shape);
Operator kernel_pass(OpClass op_class, double read, double written, int kernels = 1);
Operator kernel_attention(Precision precision, FusedAttention shape);
Operator kernel_collective(CollectiveKind kind, double bytes);
/// The routed experts of one rank: routing, both products of gated experts, their activation, the sum over a token's experts; casts where
/// `narrow`. `slots` = tokens x experts each, on all ranks: the kernels go over those of other ranks too, of `others` experts.
std::vector<Operator> kernel_experts(Precision precision, bool narrow, GroupedMatmul up, double tokens, double intermediate, double slots,
                                     double others);

} // namespace orrery
